"""The code as a house: its sizes, its floors, and what it takes to add one of each."""
