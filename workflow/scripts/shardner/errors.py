"""The errors that Shardner raises on purpose.

    ShardnerError
    ├── ConfigError   a setting is misspelt, out of range, or contradicts another
    ├── CorpusError   an input file is missing, damaged, or lacks a column
    ├── ModelError    a pipeline cannot be found, loaded, or recognises nothing
    ├── DeviceError   a device was asked for that cannot be used
    ├── AnnotateError a worker died or a shard could not be annotated
    ├── StorageError  a storage cannot be read (an OSError, too)
    ├── MergeError    results are missing or do not add up
    ├── VerifyError   results are not what stock spaCy finds
    └── JsonFileError a JSON file of a run is damaged (a ValueError, too)

A message says what was found, where (file, row, key), and what to do about it.
"""


class ShardnerError(Exception):
    """Something the user can mend; the message says how."""


class ConfigError(ShardnerError):
    """A setting in config.yaml (or ``--config``) is wrong."""


class CorpusError(ShardnerError):
    """An input file is missing, damaged, or lacks a column."""


class ModelError(ShardnerError):
    """A pipeline cannot be found, loaded, or recognises no entities."""


class DeviceError(ShardnerError):
    """A device was asked for that is not there or cannot be used."""


class AnnotateError(ShardnerError):
    """A worker died, or a shard could not be annotated."""


class StorageError(ShardnerError, OSError):
    """A file that lies in a storage cannot be read now."""


class MergeError(ShardnerError):
    """Results of shards are missing or do not add up."""


class VerifyError(ShardnerError):
    """Results are not what stock spaCy finds, or not what documents and entities say of each other."""


class JsonFileError(ShardnerError, ValueError):
    """A JSON file of a run is not JSON, lacks a field, or has a value of the wrong type."""
