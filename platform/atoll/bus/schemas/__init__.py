"""What is said on the bus: definitions, their JSON Schemas, and whether a change of them is safe."""
