// Reports as Java programs do: by the HttpClient of java.net.http as it is made by default, which offers h2c with each
// request, and by HttpURLConnection. tests/clients/programs.py says what every client does and prints.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.zip.GZIPOutputStream;

public class Client {
    static final String JSON = "application/json";
    static final byte[] NOTHING = null;

    /** One answer. */
    record Answer(int status, String text) {}

    /** One way to ask. */
    interface Way {
        Answer ask(String method, String url, String token, String type, String how, byte[] body) throws Exception;
    }

    static String url, limited, token, door;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        limited = arguments[1];
        token = arguments[2];
        door = arguments[3];
        if (System.getenv("TRUSTED_STORE") != null) {
            System.setProperty("javax.net.ssl.trustStore", System.getenv("TRUSTED_STORE"));
            System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
        }
        System.out.println("version Java " + System.getProperty("java.version"));
        HttpClient client = HttpClient.newHttpClient();
        report("HttpClient", (method, to, secret, type, how, body) -> byHttpClient(client, method, to, secret, type, how, body));
        report("HttpURLConnection", Client::byConnection);
    }

    static void report(String variant, Way way) {
        String jail = "?jail=" + door + "." + variant;
        for (int turn = 0; turn < 3; turn++)
            say(variant, "get", way, "GET", url + "/infraction/203.0.113.1" + jail, token, null, "", NOTHING);
        say(variant, "head", way, "HEAD", url + "/infraction/203.0.113.2" + jail, token, null, "", NOTHING);
        byte[] form = bytes("user=root&password=123456");
        say(variant, "post", way, "POST", url + "/infraction/203.0.113.3" + jail, token, null, "", form);
        say(variant, "put", way, "PUT", url + "/infraction/203.0.113.4" + jail, token, null, "", form);
        String many = url + "/infractions" + jail;
        byte[] list = bytes("[{\"ip\": \"203.0.113.5\"}, {\"ip\": \"203.0.113.6\"}]");
        say(variant, "json", way, "POST", many, token, JSON, "", list);
        byte[] lines = bytes("{\"ip\": \"203.0.113.7\"}\n{\"ip\": \"203.0.113.8\"}\n");
        say(variant, "ndjson", way, "POST", many, token, "application/x-ndjson", "", lines);
        say(variant, "gzip", way, "POST", many, token, JSON, "gzip", zipped(bytes("{\"ip\": \"203.0.113.9\"}")));
        say(variant, "chunked", way, "POST", many, token, JSON, "chunked", bytes("{\"ip\": \"203.0.113.10\"}"));
        if (variant.equals("HttpClient"))
            say(variant, "expect", way, "POST", many, token, JSON, "expect", bytes("{\"ip\": \"203.0.113.11\"}"));
        byte[] large = bytes("{\"ip\": \"203.0.113.66\"}\n".repeat(90_000));
        String[][] refusals = {
            {"no_token", "POST", many, ""},
            {"no_such_method", "DELETE", many, token},
            {"too_large", "POST", many, token},
            {"too_often", "POST", limited + "/infractions" + jail, token},
        };
        for (String[] each : refusals) {
            say(variant, each[0], way, each[1], each[2], each[3], JSON, "", large);
            say(variant, "after", way, "GET", url + "/infraction/203.0.113.12" + jail, token, null, "", NOTHING);
        }
    }

    static void say(
            String variant, String name, Way way, String method, String to, String secret, String type, String how, byte[] body) {
        String told;
        try {
            Answer answer = way.ask(method, to, secret, type, how, body);
            told = answer.status + " " + answer.text.lines().findFirst().orElse("");
        } catch (Exception error) {
            told = "broken " + error;
        }
        System.out.println(variant + " " + name + " " + told);
    }

    static Answer byHttpClient(
            HttpClient client, String method, String to, String secret, String type, String how, byte[] body) throws Exception {
        BodyPublisher publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body);
        if (how.equals("chunked"))
            publisher = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(to)).timeout(Duration.ofSeconds(20));
        request.method(method, publisher).expectContinue(how.equals("expect"));
        if (!secret.isEmpty()) request.header("Authorization", "Bearer " + secret);
        if (type != null) request.header("Content-Type", type);
        if (how.equals("gzip")) request.header("Content-Encoding", "gzip");
        var answer = client.send(request.build(), BodyHandlers.ofString());
        return new Answer(answer.statusCode(), answer.body());
    }

    static Answer byConnection(String method, String to, String secret, String type, String how, byte[] body) throws Exception {
        var connection = (HttpURLConnection) URI.create(to).toURL().openConnection();
        connection.setRequestMethod(method);
        connection.setReadTimeout(20_000);
        if (!secret.isEmpty()) connection.setRequestProperty("Authorization", "Bearer " + secret);
        if (type != null) connection.setRequestProperty("Content-Type", type);
        if (how.equals("gzip")) connection.setRequestProperty("Content-Encoding", "gzip");
        if (how.equals("chunked")) connection.setChunkedStreamingMode(8);
        if (body != null) {
            connection.setDoOutput(true);
            try (var out = connection.getOutputStream()) {
                out.write(body);
            }
        }
        int status = connection.getResponseCode();
        try (InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return new Answer(status, in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] zipped(byte[] body) {
        var packed = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(packed)) {
            out.write(body);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        return packed.toByteArray();
    }
}
