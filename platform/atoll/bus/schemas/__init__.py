"""Message definitions, their JSON Schemas, and the checks that changes keep them compatible."""
