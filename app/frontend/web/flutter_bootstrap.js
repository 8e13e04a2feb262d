{{flutter_js}}
{{flutter_build_config}}

// Everything comes from our own host: the Content-Security-Policy names no other.
_flutter.loader.load({
  config: {
    canvasKitBaseUrl: "canvaskit/",
    fontFallbackBaseUrl: "assets/fonts/",
  },
});
