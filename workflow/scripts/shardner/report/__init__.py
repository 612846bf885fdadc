"""The report of a run: figures (``performance.json``), a page (``report.html``) and a summary for the terminal."""
