"""Networks for piano-rolls: generators, refiners and discriminators."""
