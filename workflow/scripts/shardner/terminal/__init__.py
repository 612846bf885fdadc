"""What people read: numbers and texts in words, and how far a job or a run is.

A change in here makes no rule run again, except the one that writes the report (`shardner.parse.fingerprint`). So
nothing in here may decide what a table of results holds.
"""
