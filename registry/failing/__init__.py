"""What fails now in the services: the causes that their workers tell, and the table that keeps them."""
