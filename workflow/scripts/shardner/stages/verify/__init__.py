"""The verification of a finished run: stock spaCy annotates some documents again, and the results are compared.

The audit compares windows by themselves, within an annotate job. The verification compares whole documents: the tables
that the merge wrote with the texts that the split wrote. So it checks all that lies between. It uses the audit's draw.
"""
