"""Parts of a run's HTML page that digits and music share: facts, charts and templates."""
