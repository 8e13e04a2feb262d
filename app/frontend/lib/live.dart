import 'dart:async';
import 'dart:convert';
import 'dart:math';

import 'package:flutter/foundation.dart';
import 'package:web_socket_channel/web_socket_channel.dart';

/// The live conversation. It connects again by itself, later each time and never together with all other visitors.
class Live extends ChangeNotifier {
  Live(this._address, {required this.onExhibit});

  final Uri _address;
  final VoidCallback onExhibit;
  final List<String> lines = [];
  final Set<int> _seen = {};
  final Random _random = Random();

  WebSocketChannel? _channel;
  Timer? _again;
  int _failures = 0;
  bool _closed = false;
  bool connected = false;

  Future<void> open() async {
    final channel = WebSocketChannel.connect(_address);
    _channel = channel;
    try {
      await channel.ready;
      if (_closed) {
        return;
      }
      _failures = 0;
      connected = true;
      notifyListeners();
      channel.sink.add(jsonEncode({'type': 'history'}));
      await for (final frame in channel.stream) {
        _hear(jsonDecode(frame as String) as Map<String, dynamic>);
      }
    } on WebSocketChannelException {
      // Not reachable now; below it is tried again.
    }
    if (_closed) {
      return;
    }
    connected = false;
    notifyListeners();
    final seconds = min(30, 0.5 * pow(2, _failures++)) * (0.5 + _random.nextDouble());
    _again = Timer(Duration(milliseconds: (seconds * 1000).round()), open);
  }

  void say(String text) {
    if (connected) {
      _channel?.sink.add(jsonEncode({'type': 'message', 'text': text}));
    }
  }

  void _hear(Map<String, dynamic> message) {
    switch (message['type']) {
      case 'history':
        for (final earlier in message['messages'] as List<dynamic>) {
          _hear(earlier as Map<String, dynamic>);
        }
      case 'message' when _seen.add(message['id'] as int):
        _show('${message['from']}: ${message['text']}');
      case 'exhibit':
        _show('New: ${message['title']}');
        onExhibit();
      case 'upload':
        onExhibit();
      case 'error':
        _show(message['detail'] as String);
    }
  }

  void _show(String line) {
    lines.add(line);
    if (lines.length > 200) {
      lines.removeAt(0);
    }
    notifyListeners();
  }

  @override
  void dispose() {
    _closed = true;
    _again?.cancel();
    _channel?.sink.close();
    super.dispose();
  }
}
