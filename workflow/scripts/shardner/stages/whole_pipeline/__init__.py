"""The check of the whole pipeline: a sample of the corpus is annotated with nothing left out, once in every run.

The audit and the verification compare with the components that run. They cannot see that one of the others is missing.
Here the pipeline annotates as the user has it. What a component that was left out on purpose explains is counted;
anything else is an error.
"""
