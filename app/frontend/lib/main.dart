import 'package:flutter/material.dart';
import 'package:http/http.dart' as http;

import 'api.dart';
import 'configuration.dart';
import 'exhibition.dart';
import 'live.dart';

void main() => runApp(const VisionWeek());

/// The application: asks for its configuration, then shows the exhibition.
class VisionWeek extends StatefulWidget {
  const VisionWeek({super.key});

  @override
  State<VisionWeek> createState() => _VisionWeekState();
}

class _VisionWeekState extends State<VisionWeek> {
  final http.Client _client = http.Client();
  late Future<Configuration> _configuration = Configuration.load(_client);

  @override
  Widget build(BuildContext context) => MaterialApp(
        title: 'Vision Week',
        theme: ThemeData(colorSchemeSeed: const Color(0xFF0F5C4D), fontFamily: 'Roboto'),
        home: FutureBuilder<Configuration>(
          future: _configuration,
          builder: (context, snapshot) {
            final configuration = snapshot.data;
            if (configuration != null) {
              return Exhibition(
                api: Api(_client, configuration),
                live: (onExhibit) => Live(configuration.websocket, onExhibit: onExhibit),
                version: configuration.version,
              );
            }
            return Scaffold(
              body: Center(
                child: snapshot.hasError
                    ? FilledButton(
                        onPressed: () => setState(() => _configuration = Configuration.load(_client)),
                        child: const Text("The server can't be reached. Try again"),
                      )
                    : const CircularProgressIndicator(),
              ),
            );
          },
        ),
      );
}
