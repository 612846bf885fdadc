"""Devices: which one a job may use, and for how long it is the job's alone."""

from shardner.gpu.device import Device, lease_device

__all__ = ["Device", "lease_device"]
