"""The networks that compose: generators, refiners and discriminators of piano-rolls."""
