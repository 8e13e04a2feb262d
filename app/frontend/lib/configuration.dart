import 'dart:convert';

import 'package:http/http.dart' as http;

/// What differs between environments, asked of the server at start: one build runs everywhere.
class Configuration {
  const Configuration({required this.apiPath, required this.websocketPath, required this.version});

  final String apiPath;
  final String websocketPath;
  final String version;

  static Future<Configuration> load(http.Client client) async {
    final response = await client.get(Uri.base.resolve('/config.json'));
    if (response.statusCode != 200) {
      throw http.ClientException('config.json: ${response.statusCode}');
    }
    final values = jsonDecode(utf8.decode(response.bodyBytes)) as Map<String, dynamic>;
    return Configuration(
      apiPath: values['apiPath'] as String,
      websocketPath: values['websocketPath'] as String,
      version: values['version'] as String,
    );
  }

  Uri api(String path) => Uri.base.resolve('$apiPath$path');

  /// The same host, over the WebSocket scheme that belongs to the page's own.
  Uri get websocket =>
      Uri.base.resolve(websocketPath).replace(scheme: Uri.base.scheme == 'https' ? 'wss' : 'ws');
}
