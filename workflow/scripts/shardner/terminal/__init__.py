"""What a terminal shows: numbers and texts for reading, and how far a job or a run is."""
