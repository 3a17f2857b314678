"""Piano-rolls as scores: MusicXML files, and engraved pages."""
