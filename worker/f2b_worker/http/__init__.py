"""The HTTP ground of every server of f2b: connections and their limits, answers, and how uvicorn serves them."""
