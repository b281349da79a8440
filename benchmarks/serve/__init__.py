"""What a served policy costs and withstands."""
