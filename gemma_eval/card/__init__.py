"""The model card as data: every published number, and the tables' layout."""

from gemma_eval.card.published import Published, published
from gemma_eval.card.tables import CARD_TABLES, SIZES, CardRow, CardTable

__all__ = ["CARD_TABLES", "SIZES", "CardRow", "CardTable", "Published", "published"]
