"""The project at work: python -m demo"""
