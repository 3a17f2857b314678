"""Plans: form, instruments, harmony and activity, decided before any note."""
