import 'dart:convert';

import 'package:http/http.dart' as http;

import 'configuration.dart';

/// Something to look at.
class Exhibit {
  const Exhibit({required this.id, required this.title, required this.description, this.picture});

  factory Exhibit.fromJson(Map<String, dynamic> values) => Exhibit(
        id: values['id'] as String,
        title: values['title'] as String,
        description: values['description'] as String,
        picture: values['picture'] as String?,
      );

  final String id;
  final String title;
  final String description;
  final String? picture;
}

/// The server's own words about what is wrong (problem+json).
class Refused implements Exception {
  const Refused(this.status, this.detail);

  final int status;
  final String detail;

  @override
  String toString() => detail;
}

/// The REST API. The browser keeps the session's cookie; scripts never see it.
class Api {
  Api(this._client, this._configuration);

  final http.Client _client;
  final Configuration _configuration;

  Future<List<Exhibit>> exhibits() async {
    final page = await _read(_client.get(_configuration.api('/exhibits?limit=24')));
    return [for (final item in page!['items'] as List<dynamic>) Exhibit.fromJson(item as Map<String, dynamic>)];
  }

  Future<void> add(String title, String description) =>
      _send(_configuration.api('/exhibits'), {'title': title, 'description': description});

  /// The name of whoever is logged in.
  Future<String?> person() async => _name(await _read(_client.get(_configuration.api('/session'))));

  Future<String?> logIn(String email, String password) async =>
      _name(await _send(Uri.base.resolve('/login'), {'email': email, 'password': password}));

  Future<void> logOut() => _read(_client.post(Uri.base.resolve('/logout')));

  String? _name(Map<String, dynamic>? answer) =>
      (answer?['user'] as Map<String, dynamic>?)?['name'] as String?;

  Future<Map<String, dynamic>?> _send(Uri address, Map<String, String> values) =>
      _read(_client.post(address, headers: {'Content-Type': 'application/json'}, body: jsonEncode(values)));

  Future<Map<String, dynamic>?> _read(Future<http.Response> request) async {
    final response = await request;
    final body = response.bodyBytes.isEmpty
        ? null
        : jsonDecode(utf8.decode(response.bodyBytes)) as Map<String, dynamic>;
    if (response.statusCode >= 400) {
      throw Refused(response.statusCode, body?['detail'] as String? ?? 'The server answered ${response.statusCode}.');
    }
    return body;
  }
}
