def spellings(text, variants):
    return []
