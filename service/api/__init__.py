"""The HTTP interface: problems, tokens, documents, routes and the fast lane in front of them."""
