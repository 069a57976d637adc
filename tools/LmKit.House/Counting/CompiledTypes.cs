using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Runtime.CompilerServices;

namespace LmKit.House;

/// <summary>Listens to the runtime's compiler.</summary>
internal sealed class CompiledTypes : EventListener
{
    private const string Runtime = "Microsoft-Windows-DotNETRuntime";
    private const EventKeywords JitKeyword = (EventKeywords)0x10;

    private readonly ConcurrentQueue<(string Type, string Method)> methods = [];
    private EventSource? runtime;

    private CompiledTypes()
    {
    }

    /// <summary>The LmKit types outside all others, this program's apart, of which something is compiled while an action runs, in order of their names.</summary>
    internal static IReadOnlyList<string> During(Action action)
    {
        using var listener = new CompiledTypes();
        listener.EnableEvents(listener.runtime ?? throw new InvalidOperationException($"This runtime has no event source {Runtime}."), EventLevel.Verbose, JitKeyword);
        Begin();
        listener.WaitFor(nameof(Begin));
        var before = listener.methods.Count;
        action();
        End();
        listener.WaitFor(nameof(End));
        return [.. listener.methods.Skip(before).Select(method => Outermost(method.Type)).OfType<string>().Distinct().Order(StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == Runtime)
            runtime = eventSource;
    }

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventName?.StartsWith("MethodLoadVerbose", StringComparison.Ordinal) != true || eventData.PayloadNames is not { } names || eventData.Payload is not { } values)
            return;
        methods.Enqueue(((string)values[names.IndexOf("MethodNamespace")]!, (string)values[names.IndexOf("MethodName")]!));
    }

    // LmKit.X`1[...], LmKit.X+Nested and closures of LmKit.X are all LmKit.X.
    private static string? Outermost(string type)
    {
        var end = type.AsSpan().IndexOfAny("`[+");
        var name = end < 0 ? type : type[..end];
        return name.StartsWith("LmKit.", StringComparison.Ordinal) && !name.StartsWith("LmKit.House.", StringComparison.Ordinal) ? name["LmKit.".Length..] : null;
    }

    // Events arrive in order, on a thread of the runtime: once a method's event is here, those of all earlier ones are.
    private void WaitFor(string marker)
    {
        for (var waited = 0; waited < 6_000; waited++)
        {
            if (methods.Any(method => method.Type == $"{typeof(CompiledTypes)}" && method.Method == marker))
                return;
            Thread.Sleep(10);
        }
        throw new InvalidOperationException($"The runtime reported no compilation of {marker} within a minute.");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Begin()
    {
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void End()
    {
    }
}
