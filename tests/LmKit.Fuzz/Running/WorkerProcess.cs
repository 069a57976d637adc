using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;

namespace LmKit.Fuzz;

/// <summary>A child process that reads cases, and the watch over its processor time and memory.</summary>
internal sealed class WorkerProcess : IDisposable
{
    internal const string ProgressName = "progress";
    private const int PollMilliseconds = 50;
    private const int MostLines = 60;
    private static readonly TimeSpan StartTime = TimeSpan.FromMinutes(3);

    private readonly string scratch = Scratch.Make();
    private readonly Progress progress;
    private readonly string mode;
    private Process? child;
    private Channel<string> answers = Channel.CreateUnbounded<string>();
    private readonly Queue<string> errors = new();

    /// <param name="mode">The command that makes a worker of the child.</param>
    internal WorkerProcess(string mode = "worker")
    {
        this.mode = mode;
        progress = Progress.Open(Path.Combine(scratch, ProgressName));
        progress.Clear();
    }

    /// <summary>Reads cases of a target for a while; goes on behind each that ends the child.</summary>
    /// <returns>How many ended how, and those that did not end well.</returns>
    internal (FuzzCounts Counts, List<WorkerEvent> Events) Fuzz(string target, long seed, TimeSpan time)
    {
        progress.Clear();
        var (events, first, clock) = (new List<WorkerEvent>(), 0L, Stopwatch.StartNew());
        while (clock.Elapsed < time)
        {
            Order("fuzz", target, Number(seed), Number(first), Number((long)(time - clock.Elapsed).TotalMilliseconds));
            if (Wait(events) is not { } failed)
                break;
            progress.Add(failed.Reading.Outcome);
            events.Add(failed);
            if (failed.Index < 0)
                break; // not a case ended it, so going on would end it again
            first = failed.Index + 1;
        }
        return (new FuzzCounts(target, [.. Enum.GetValues<Outcome>().Select(progress.Count)]), events);
    }

    /// <summary>Reads one case from a folder.</summary>
    internal CaseReading Case(string target, string seed, string folder)
    {
        var events = new List<WorkerEvent>();
        Order("case", target, seed, folder);
        return (Wait(events) ?? events[0]).Reading;
    }

    public void Dispose()
    {
        Stop();
        progress.Dispose();
        Directory.Delete(scratch, recursive: true);
    }

    private void Order(params string[] words)
    {
        if (child is null || child.HasExited)
            Start();
        child!.StandardInput.WriteLine(string.Join('\t', words));
        child.StandardInput.Flush();
    }

    // Until the order is done, or the case that ended the child.
    private WorkerEvent? Wait(List<WorkerEvent> events)
    {
        while (true)
        {
            while (answers.Reader.TryRead(out var answer))
            {
                if (answer.StartsWith("@done", StringComparison.Ordinal))
                    return null;
                if (answer.StartsWith("@event\t", StringComparison.Ordinal))
                    events.Add(JsonSerializer.Deserialize<WorkerEvent>(answer.AsSpan("@event\t".Length))!);
            }
            if (child!.WaitForExit(PollMilliseconds))
            {
                child.WaitForExit(); // its last lines too
                while (answers.Reader.TryRead(out var answer) && answer.StartsWith("@event\t", StringComparison.Ordinal))
                    events.Add(JsonSerializer.Deserialize<WorkerEvent>(answer.AsSpan("@event\t".Length))!);
                return Ended(Outcome.Crash, $"the process ended with {child.ExitCode}: {LastWords()}");
            }
            if (Verdict() is { } verdict)
                return verdict;
        }
    }

    private WorkerEvent? Verdict()
    {
        var index = progress.Index;
        if (index < 0)
            return null;
        long time;
        try
        {
            time = child!.TotalProcessorTime.Ticks;
        }
        catch (InvalidOperationException)
        {
            return null; // it ended since the last look; the next one says how
        }
        var (started, clock) = (progress.Started, DateTime.UtcNow.Ticks - progress.StartedAt);
        var held = MemoryGauge.Held(child.Id);
        if (progress.Index != index)
            return null; // it went on meanwhile
        if (time - started > ReadLimits.ProcessorTime.Ticks + TimeSpan.TicksPerSecond)
            return Killed(Outcome.Hang, TimeSpan.FromTicks(time - started), $"no end after {TimeSpan.FromTicks(time - started).TotalSeconds:0.0} s of processor time");
        if (clock > ReadLimits.ClockTime.Ticks)
            return Killed(Outcome.Hang, TimeSpan.FromTicks(time - started), $"no end after {TimeSpan.FromTicks(clock).TotalSeconds:0.0} s, of which {TimeSpan.FromTicks(time - started).TotalSeconds:0.0} s of processor time");
        return held > progress.MostMemory
            ? Killed(Outcome.Memory, TimeSpan.FromTicks(time - started), $"stopped at {held >> 20} MiB")
            : null;
    }

    private WorkerEvent Killed(Outcome outcome, TimeSpan time, string message)
    {
        var index = progress.Index;
        Stop();
        return new WorkerEvent(index, new CaseReading(outcome, "", "", message, time, 0));
    }

    private WorkerEvent Ended(Outcome outcome, string message)
    {
        var index = progress.Index;
        Stop();
        return new WorkerEvent(index, new CaseReading(outcome, "", "", message, default, 0));
    }

    private void Start()
    {
        Stop();
        progress.Index = -1;
        var assembly = typeof(WorkerProcess).Assembly.Location;
        var start = new ProcessStartInfo("dotnet", [assembly, mode, scratch, Number(Environment.ProcessId)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_GCHeapHardLimit"] = "0x60000000"; // 1.5 GiB of .NET objects: an exception instead of a machine without memory
        start.Environment["DOTNET_GCgen0size"] = "0x800000";
        start.Environment["DOTNET_GCgen0MaxBudget"] = "0x1000000";
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        start.Environment["OMP_NUM_THREADS"] = "1";
        answers = Channel.CreateUnbounded<string>();
        child = Process.Start(start)!;
        var into = answers.Writer;
        child.OutputDataReceived += (_, line) => _ = line.Data is { } text && into.TryWrite(text);
        child.ErrorDataReceived += (_, line) => Remember(line.Data);
        child.BeginOutputReadLine();
        child.BeginErrorReadLine();
        var clock = Stopwatch.StartNew();
        while (!(answers.Reader.TryRead(out var answer) && answer == "@ready"))
        {
            if (child.WaitForExit(PollMilliseconds) || clock.Elapsed > StartTime)
                throw new InvalidOperationException($"A worker does not start: {LastWords()}");
        }
    }

    private void Stop()
    {
        if (child is null)
            return;
        if (!child.HasExited)
        {
            child.Kill();
            child.WaitForExit();
        }
        child.Dispose();
        child = null;
    }

    private void Remember(string? line)
    {
        lock (errors)
        {
            if (line is { Length: > 0 })
                errors.Enqueue(line);
            while (errors.Count > MostLines)
                _ = errors.Dequeue();
        }
    }

    private string LastWords()
    {
        lock (errors)
        {
            string[] telling = [.. errors.Where(line => line.Contains("xception", StringComparison.Ordinal) || line.Contains("what()", StringComparison.Ordinal) || line.Contains("overflow", StringComparison.Ordinal))];
            var words = string.Join(" | ", telling.Concat(errors).Take(4).Distinct());
            errors.Clear();
            return words;
        }
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
