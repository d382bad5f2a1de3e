"""The model card as data: every published number, and the tables' layout."""

from gemma_eval.card.published import CARD_TABLES, SIZES, CardRow, CardTable, Published, published

__all__ = ["CARD_TABLES", "SIZES", "CardRow", "CardTable", "Published", "published"]
