"""Does this backend read and answer as it should?"""
