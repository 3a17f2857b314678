"""The composer: a generator that drafts a phrase and revises it."""
