"""The web server: /health for those who watch the service, and the place of the panel to come."""

from trunkline.provider.web._serving import WebError, bind, serve_web

__all__ = ["WebError", "bind", "serve_web"]
