"""Gemma 3's chat template as far as a conversation without a system turn goes; the pre-trained checkpoint carries none.

Compared by eye with the template published with the instruction-tuned checkpoints: turns are trimmed and end in a newline.
"""

GEMMA_CHAT = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}{% for item in m['content'] %}"
    "{{ '<start_of_image>' if item['type'] == 'image' else item['text'] | trim }}{% endfor %}{% endif %}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
