# The files that a rule reads and writes, and what its params say of them, as functions of its wildcards.

from shardner.data.files import state_of
from shardner.data.stored_files import is_stored
from shardner.parse.gone import find_gone
from shardner.parse.pipeline_identity import file_states
from shardner.parse.pipeline_source import source_files
from shardner.parse.unused import find_unused


# Functions, because Snakemake computes a hash of each file in a long list that is given as it is.
def get_results(wildcards):
    """Return the files that a run makes for its user."""
    return list(PLAN.results)


def of_parts(pattern):
    """Return a file for each part, in corpus order."""
    return [str(pattern).format(part=part.name) for part in PLAN.parts]


def of_shards(directory, suffix):
    """Return a file for each shard of each part, in corpus order."""
    return [directory / f"{shard}{suffix}" for part in PLAN.parts for shard in part.shard_names]


def get_part_files(wildcards):
    """Return the files that a part is read from, and that Snakemake knows."""
    return FILES if PLAN.files is None else of_this_machine(get_part_paths(wildcards))


def get_part_paths(wildcards):
    """Return the files that a part is read from, those in a storage among them; None where they come to be in the run."""
    if PLAN.files is None:
        return None
    return [str(stretch.path) for stretch in PLAN.part_by_name[wildcards.part].stretches]


def of_this_machine(paths):
    """Return those files that do not lie in a storage, for which Snakemake would look in vain."""
    return [path for path in paths if not is_stored(Path(path))]


def get_stretches(wildcards):
    """Return where the stretches of a part's files begin and end, in bytes."""
    return [[stretch.start, stretch.stop] for stretch in PLAN.part_by_name[wildcards.part].stretches]


def get_states(wildcards):
    """Return size and time of each file that a part is read from: one that is replaced is read again."""
    if PLAN.files is None or PLAN.is_generated:  # fetched, or made, in the run
        return None
    return [state_of(stretch.path) for stretch in PLAN.part_by_name[wildcards.part].stretches]


def get_pipeline_files(wildcards):
    """Return the files of the pipeline and of its code, unless their content is known: then it decides, in `params`.

    Their paths and times change with the environment. But who lets nothing but times decide gets them.
    """
    if IDENTITY.content is not None and "PARAMS" in {trigger.name for trigger in workflow.rerun_triggers}:
        return []
    return [*source_files(PLAN.source), *code_files(CONFIG.model.code)]


def get_pipeline_states(wildcards):
    """Return path, size and time of each file of the pipeline, unless their content is known."""
    return [] if IDENTITY.content is not None else file_states(PLAN.source, code_files(CONFIG.model.code))


def get_pipeline_name(wildcards):
    """Return the name of the pipeline; None for one that lies at a path, if its content is known."""
    at_path = PLAN.source.kind in (SourceKind.DIRECTORY, SourceKind.ARCHIVE)
    return None if at_path and IDENTITY.content is not None else PLAN.source.name


def literally(text):
    """Return a text for a message, which fills what stands in braces."""
    return text.replace("{", "{{").replace("}", "}}")


def get_part_shards(wildcards):
    """Return how many shards a part has."""
    return PLAN.part_by_name[wildcards.part].shards


def get_checksums(wildcards):
    """Return the checksums of files that lie in several parts, one at the first part of each."""
    cut = [part for part in PLAN.parts if part.begins_cut_file and of_this_machine([part.stretches[0].path])]
    return [WORK / "split" / part.name / "checksum.json" for part in cut]


def get_shards_of_part(wildcards):
    """Return the directory of shards in which a shard of the corpus lies."""
    return WORK / "shards" / PLAN.part_of_shard[wildcards.shard].name


def get_shard_directories(wildcards):
    """Return the directories of shards, in corpus order."""
    return of_parts(WORK / "shards" / "{part}")


def get_manifests(wildcards):
    """Return the manifests of all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "manifest.json")


def get_drawn(wildcards):
    """Return the documents drawn from all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "drawn.parquet")


def get_split_rejected(wildcards):
    """Return the records that the split rejected of all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "rejected.parquet")


def get_entities(wildcards):
    """Return the entities of all shards, in corpus order."""
    return of_shards(WORK / "entities", ".parquet")


def get_documents(wildcards):
    """Return the documents of all shards, in corpus order."""
    return of_shards(WORK / "documents", ".parquet")


def get_rejected(wildcards):
    """Return the rejected documents of all shards, in corpus order."""
    return of_shards(WORK / "rejected", ".parquet")


def get_jobs(wildcards):
    """Return the records of the jobs that annotated, in corpus order."""
    return of_shards(JOBS / "annotate_shard", ".json")


def get_split_jobs(wildcards):
    """Return the records of the jobs that split, in corpus order."""
    return of_parts(JOBS / "split_part" / "{part}.json")


def get_spans(wildcards):
    """Return the spans of all shards, in corpus order, where span groups are asked for."""
    return of_shards(WORK / "spans", ".parquet") if CONFIG.output.spans else []


def get_gone(wildcards):
    """Return what is gone of results and records of shards and parts, where nothing asks for it any more."""
    written = (get_entities, get_documents, get_rejected, get_spans, get_jobs, get_split_jobs)
    return find_gone(WORK, [Path(path) for get in written for path in get(None)])


def with_spans(path):
    """Return a rule's output `spans`, where span groups are asked for."""
    return {"spans": path} if CONFIG.output.spans else {}


def get_findings(wildcards):
    """Return what the verification found, by shard."""
    return [WORK / "verify" / f"{shard}.json" for shard in PLAN.shard_names]


def get_trained_pipeline(wildcards):
    """Return the pipeline that is trained, where the run needs it."""
    return [MADE / "pipeline"] if PLAN.source.kind is SourceKind.TRAINED else []


def get_gold(wildcards):
    """Return the entities of the corpus that is generated, where it is annotated."""
    return [MADE / "gold.parquet"] if PLAN.is_generated else []


def get_table(name, suffix="parquet"):
    """Return a function that returns the files of a table of results."""
    return lambda wildcards: [OUT / path for path in PLAN.table(name, suffix)]


def get_exported(name):
    """Return a function that returns what an export of a table is made of: all files, or that of a part."""

    def get_files(wildcards):
        place = wildcards.table.partition("part-")[2].partition(".")[0]
        return [OUT / name / f"part-{place}.parquet"] if place else [OUT / path for path in PLAN.table(name)]

    return get_files


def get_merged(wildcards):
    """Return the record of the job that found the tables of results complete."""
    return JOBS / ("merge_parts.json" if CONFIG.output.layout == "file" else "check_dataset.json")


def get_merge_jobs(wildcards):
    """Return the records of the jobs that merged."""
    alone = [JOBS / "merge_part" / f"{place}.json" for place in PLAN.part_places]
    return [get_merged(wildcards), *(alone if CONFIG.output.layout != "file" else [])]


def of_part(get_files):
    """Return a function that returns those files of shards that are of one part, by its place."""

    def get_files_of_part(wildcards):
        first = sum(part.shards for part in PLAN.parts[: int(wildcards.place)])
        return get_files(wildcards)[first : first + PLAN.parts[int(wildcards.place)].shards]

    return get_files_of_part


def get_part_manifest(wildcards):
    """Return the manifest of a part, by its place."""
    return get_manifests(wildcards)[int(wildcards.place)]


def get_part_rejected(wildcards):
    """Return the records that the split rejected of a part, by its place."""
    return get_split_rejected(wildcards)[int(wildcards.place)]


def get_extension_tables(wildcards):
    """Return the entities of all shards, where custom extensions are asked for: all decide about a column's type."""
    return get_entities(wildcards) if any(name.startswith("_.") for name in CONFIG.output.attributes) else []


def get_unused(wildcards):
    """Return what lies in the directory of work of parts that the corpus no longer has."""
    return [str(path) for path in find_unused(WORK, {part.name: part.shards for part in PLAN.parts})]
