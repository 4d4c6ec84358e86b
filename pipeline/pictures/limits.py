"""What sizes a picture may have to be taken for a painting; judged from its header, before any pixel is decoded."""

DEFAULT_MAX_PIXELS = 100_000_000  # 400 MB decoded, the most that one worker should ever hold
MIN_SIDE = 8  # pixels; what is smaller shows no painting
MAX_ASPECT = 100  # the longest handscrolls are about 1:50
