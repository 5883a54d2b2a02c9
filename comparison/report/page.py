def render(comparison):
    return ""
