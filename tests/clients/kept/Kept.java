// Clients that keep their connections, in Java: HttpClient and HttpURLConnection. programs.py says what each does.

import java.io.IOException;
import java.net.ConnectException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.ThreadLocalRandom;

public class Kept {
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static String variant;
    static int pauseMs;
    static String[] urls;

    public static void main(String[] arguments) {
        variant = arguments[0];
        pauseMs = Integer.parseInt(arguments[3]);
        urls = Arrays.copyOfRange(arguments, 4, arguments.length);
        int first = Integer.parseInt(arguments[1]);
        for (int each = 0; each < Integer.parseInt(arguments[2]); each++) {
            int client = first + each;
            new Thread(() -> goOn(client)).start();
        }
    }

    static void goOn(int client) {
        int at = client;
        for (int turn = 0; ; turn++) {
            String ip = "199." + client + "." + (turn >> 8) + "." + (turn & 255);
            boolean isPost = turn % 2 == 1;
            String path = isPost ? "/infractions" : "/infraction/" + ip;
            String body = isPost ? "{\"ip\": \"" + ip + "\"}" : null;
            String outcome = "refused";
            for (int tries = 0; tries < urls.length && outcome.equals("refused"); tries++) {
                outcome = outcomeOf(urls[at % urls.length] + path, body);
                if (outcome.equals("refused")) at++;
            }
            if (outcome.equals("refused")) return;
            System.out.println(ip + (isPost ? " POST " : " GET ") + outcome);
            try {
                Thread.sleep(ThreadLocalRandom.current().nextInt(2 * pauseMs + 1));
            } catch (InterruptedException error) {
                return;
            }
        }
    }

    static String outcomeOf(String url, String body) {
        try {
            return "" + (variant.equals("HttpClient") ? byHttpClient(url, body) : byConnection(url, body));
        } catch (ConnectException error) {
            return "refused";
        } catch (Exception error) {
            return "broken " + error;
        }
    }

    static int byHttpClient(String url, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20));
        if (body != null) request.POST(BodyPublishers.ofString(body));
        return CLIENT.send(request.build(), BodyHandlers.ofString()).statusCode();
    }

    static int byConnection(String url, String body) throws IOException {
        var connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        connection.setReadTimeout(20_000);
        if (body != null) {
            connection.setDoOutput(true);
            try (var out = connection.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
        }
        int status = connection.getResponseCode();
        try (var in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            if (in != null) in.readAllBytes();
        }
        return status;
    }
}
