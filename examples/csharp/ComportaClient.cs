// Client for publishing change events to Comporta: one file to copy. It needs RabbitMQ.Client 7 alone:
// dotnet add package RabbitMQ.Client
//
//   var client = new ComportaClient("amqp://user:password@host:5672/vhost", "main");
//   var results = await client.PublishAsync([new ComportaEvent("stock", "stock-18446", body)]);
//
// PublishAsync returns one result for each event, in order, once the broker has answered for all of them. An event whose
// Reason is null is confirmed: a queue keeps it.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

/// <summary>An event as it is sent; the same change has the same id and the same body, however often it is sent.</summary>
public sealed record ComportaEvent(string Domain, string Id, byte[] Body);

/// <summary>What the broker said of an event: a reason of null means confirmed.</summary>
public sealed record PublishResult(ComportaEvent Event, string? Reason);

/// <summary>Publisher of one shop's events.</summary>
public sealed class ComportaClient(string url, string shop = "main")
{
    private const int Window = 500; // Events that wait for their confirm at a time.
    private const int Attempts = 5; // Connections in a row that confirm nothing.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30); // For a window of confirms.

    /// <summary>Publishes a batch; what is not confirmed when a connection is lost is sent again, the same to the letter.</summary>
    public async Task<IReadOnlyList<PublishResult>> PublishAsync(IReadOnlyList<ComportaEvent> events)
    {
        var reasons = new Dictionary<int, string?>();
        var lost = "";
        for (var failed = 0; reasons.Count < events.Count && failed < Attempts;)
        {
            if (failed > 0)
                await Task.Delay(TimeSpan.FromSeconds(1 << (failed - 1)));
            var before = reasons.Count;
            try
            {
                await AttemptAsync(events, reasons);
            }
            catch (Exception error) when (error is RabbitMQClientException or IOException or OperationCanceledException)
            {
                lost = error.Message;
            }
            failed = reasons.Count == before ? failed + 1 : 0;
        }
        var gone = $"no answer from the broker in {Attempts} attempts: {lost}";
        return events
            .Select((each, number) => new PublishResult(each, reasons.TryGetValue(number, out var reason) ? reason : gone))
            .ToList();
    }

    // One connection: sends what has no answer yet, and notes the answers.
    private async Task AttemptAsync(IReadOnlyList<ComportaEvent> events, Dictionary<int, string?> reasons)
    {
        // Automatic recovery would not send again what is not confirmed: this client does.
        var factory = new ConnectionFactory { Uri = new Uri(url), AutomaticRecoveryEnabled = false };
        await using var connection = await factory.CreateConnectionAsync();
        var confirms = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);
        await using var channel = await connection.CreateChannelAsync(confirms);
        var unanswered = Enumerable.Range(0, events.Count).Where(number => !reasons.ContainsKey(number)).ToList();
        foreach (var batch in unanswered.Chunk(Window))
        {
            using var patience = new CancellationTokenSource(Silence);
            // Each publish waits for its own confirm; together they wait for a window of them.
            var publishes = batch.Select(number => PublishOneAsync(channel, events[number], patience.Token)).ToList();
            try
            {
                await Task.WhenAll(publishes);
            }
            finally
            {
                for (var place = 0; place < batch.Length; place++)
                    if (publishes[place].IsCompletedSuccessfully)
                        reasons[batch[place]] = publishes[place].Result;
            }
        }
    }

    private async Task<string?> PublishOneAsync(IChannel channel, ComportaEvent each, CancellationToken patience)
    {
        var properties = new BasicProperties
        {
            ContentType = "application/cloudevents+json", DeliveryMode = DeliveryModes.Persistent, MessageId = each.Id,
        };
        var route = $"{shop}.{each.Domain}";
        try
        {
            await channel.BasicPublishAsync("erp.events", route, mandatory: true, properties, each.Body, patience);
            return null;
        }
        catch (PublishException problem)
        {
            return problem.IsReturn
                ? $"returned: no queue takes {route}; has Comporta run here?"
                : "nacked: the broker could not keep the event; look at its log";
        }
        catch (OperationInterruptedException closed) when (closed.ShutdownReason?.ReplyCode is 403 or 404)
        {
            return $"refused: {closed.ShutdownReason?.ReplyText}; has Comporta run here?";
        }
    }
}
