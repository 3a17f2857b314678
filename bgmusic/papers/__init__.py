"""The experiments of the two papers: runs, tables and figures."""
