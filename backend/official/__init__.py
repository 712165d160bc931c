"""The official EG3D and Next3D generators, written from facts about their numbers."""
