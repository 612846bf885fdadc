"""How Sphinx makes a site of these pages (make site). The pages are those that are read on GitHub."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "Shardner"
copyright = "The Shardner authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Shardner"
html_copy_source = False
myst_heading_anchors = 3  # links to headings, as on GitHub
# what is no page: the code, and files beside the documents
suppress_warnings = ["myst.xref_ambiguous"]


def _find_readme(app, page, source):
    """Lead from a page to the README, which is the first page of the site."""
    source[0] = source[0].replace("](../README.md", "](index.md")


def _find_files(app, path, page, source):
    """Lead from the README to files beside it; a directory has no page, and its name stays."""

    def replace(match):
        text, target = match.groups()
        if re.match(r"[a-z]+:|#|docs/", target):
            return match[0]
        return f"[{text}](../{target})" if (ROOT / target).is_file() else text

    source[0] = re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", replace, source[0])


def setup(app):
    """Let the pages be read as they are on GitHub."""
    app.connect("source-read", _find_readme)
    app.connect("include-read", _find_files)
