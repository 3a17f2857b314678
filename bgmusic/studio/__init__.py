"""The studio: compose in the browser by flipping decisions. ``bgmusic studio`` starts it."""
