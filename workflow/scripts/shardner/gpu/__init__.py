"""Devices: which one a job may use, for how long it is the job's alone, and what it did meanwhile.

`device` puts the others together: `nvml` asks the driver, `devices` and `scheduler` tell what may be used, `lease` who
uses it, `runtime` whether CuPy works there; `directory` and `kernel_cache` are where files of a user lie; `memory`
shares it out, `halving` goes on where it runs out, and `sampling` measures. The engines need `halving` and `memory`
alone, which import nothing that spaCy does not bring.
"""
