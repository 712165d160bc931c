"""Tests of AvatarMMC; this file lets pytest put the project's root on its import path."""
