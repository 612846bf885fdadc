# What a job asks for: cores and memory.

import inspect


def with_signature(function):
    """Keep a function's signature with it: Snakemake asks for it at each job, and it takes a while to find out."""
    function.__signature__ = inspect.signature(function)
    return function


@with_signature
def get_workers(wildcards):
    """Return the workers of an annotate job."""
    return limits.count_workers(LIMITS)


def get_merge_threads(wildcards):
    """Return the threads of the merge: a core for each part, up to a number."""
    most = limits.MERGE_THREADS
    return min(len(PLAN.parts), most, LIMITS.cores or most)


def get_sample_workers(wildcards):
    """Return the workers that annotate the estimate's sample."""
    return limits.count_sample_workers(LIMITS)


@with_signature
def get_memory_mb(wildcards, threads, attempt):
    """Return the memory that an annotate job asks a cluster for."""
    return limits.annotate_memory_mb(threads, attempt)


def growing(first):
    """Return what a cluster is asked for: `first`, and as much again at each further attempt."""
    return with_signature(lambda wildcards, attempt: first * attempt)
