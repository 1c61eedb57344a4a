"""The version of plectrum, read by the build and by ``plectrum.__version__``."""

__version__ = "0.1.0"
