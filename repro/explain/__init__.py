"""Why a prediction was made: heat maps (`heat_maps.py`) and probes (`probing.py`), on what was scored."""
