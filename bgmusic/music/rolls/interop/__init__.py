"""Convert to and from other libraries and layouts: pypianoroll, muspy, pretty_midi, MuseGAN's arrays, note lists.

Songs are exchanged with libraries of notes, rolls with libraries of arrays.
"""
