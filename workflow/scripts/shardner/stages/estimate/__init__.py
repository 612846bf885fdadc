"""The estimate of what a run takes: a sample is measured, the rest is predicted from it."""
