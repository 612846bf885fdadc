"""Adapter of rule measure_sample."""

from pathlib import Path

from adapter import job_log

# worker processes import this file again, under another name
if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        from shardner.config import read_config
        from shardner.model.pipeline import read_pipeline
        from shardner.stages.estimate.sample import measure_sample

        params = snakemake.params
        config = read_config({"corpus": params.corpus, "windows": params.windows, "ner": params.ner})
        measure_sample(
            [Path(path) for path in params.files or snakemake.input.files],
            config.corpus,
            config.max_chars,
            read_pipeline(Path(snakemake.input.pipeline), read_config(snakemake.config).model),
            config.ner,
            workers=snakemake.threads,
            gpus=snakemake.resources.gpu,
            measured=Path(snakemake.output.measured),
        )
