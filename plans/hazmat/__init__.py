"""Hazmat decision support with no network: substance, guide, distances, zones, receptors and the responder's card.

Every number comes from a data file here and carries its table and edition; nothing in this package asks the internet.
"""
