using System.Diagnostics;
using System.Globalization;

namespace LmKit.Mutation;

/// <summary>The parent's side of a worker: asks, and ends one that hangs, crashes or fills the memory.</summary>
/// <remarks>Time is the worker's processor time, so a busy or stopped machine fails nothing.</remarks>
internal sealed class WorkerClient : IDisposable
{
    private const int PollMilliseconds = 100;
    private const int IdlePolls = 400;
    private const long MostBytes = 8L << 30;

    // Whatever a changed program deletes or overwrites lies deep below this.
    private readonly string scratch = Path.Combine(Repository.Artifacts, "scratch", "of", "changed", "programs", "tmp");
    private Process? child;
    private Task<string?>? reading;

    /// <summary>Runs every test and says what each reaches.</summary>
    internal IReadOnlyList<TestMethod> Cover()
    {
        Start();
        child!.StandardInput.WriteLine("cover");
        var found = new List<TestMethod>();
        while (true)
        {
            var words = (Answer(double.MaxValue, int.MaxValue) ?? throw new InvalidOperationException("The tests did not run to their end without any change.")).Split('\t');
            if (words[0] == "done")
                return found;
            if (words[3] != "passed")
                throw new InvalidOperationException($"{words[1]} fails without any change.");
            found.Add(new TestMethod(words[1], double.Parse(words[2], CultureInfo.InvariantCulture), [.. words[4].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture))]));
        }
    }

    /// <summary>What a test method says with a change on; -1 for none. Null when it passes.</summary>
    internal string? Run(int id, TestMethod test)
    {
        if (child is null)
            Start();
        child!.StandardInput.WriteLine($"run\t{id.ToString(CultureInfo.InvariantCulture)}\t{test.Name}");
        var answer = Answer(10 + 10 * test.Seconds, IdlePolls + (int)(test.Seconds * 3000 / PollMilliseconds));
        return answer == "passed" ? null : answer ?? "ended or hung the process";
    }

    internal void Stop()
    {
        if (child is not null)
        {
            if (!child.HasExited)
                child.Kill(entireProcessTree: true);
            child.WaitForExit();
            child.Dispose();
        }
        child = null;
        reading = null;
    }

    public void Dispose() => Stop();

    private void Start()
    {
        Stop();
        if (Directory.Exists(scratch))
            Directory.Delete(scratch, recursive: true);
        _ = Directory.CreateDirectory(scratch);
        string At(string name) => Path.Combine(MutatedBuild.Folder, name);
        var start = new ProcessStartInfo("dotnet", ["exec", "--depsfile", At("LmKit.Core.Tests.deps.json"), "--runtimeconfig", At("LmKit.Core.Tests.runtimeconfig.json"), At("LmKit.Mutation.dll"), "worker"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = scratch,
        };
        start.Environment["TMPDIR"] = scratch;
        start.Environment["DOTNET_GCHeapHardLimit"] = "0x100000000";
        child = Process.Start(start)!;
        if (Answer(double.MaxValue, 6000) != "ready")
            throw new InvalidOperationException("No worker starts.");
    }

    // The next line for this program; null when the worker ended or had to be ended.
    private string? Answer(double mostSeconds, int mostIdle)
    {
        var (began, last, idle) = (Time(), Time(), 0);
        while (true)
        {
            reading ??= child!.StandardOutput.ReadLineAsync();
            if (reading.Wait(PollMilliseconds))
            {
                var line = reading.Result;
                reading = null;
                if (line is null)
                    break;
                if (line.StartsWith(TestWorker.Mark, StringComparison.Ordinal))
                    return line[TestWorker.Mark.Length..];
                continue;
            }
            var time = Time();
            idle = time - last > 0.02 ? 0 : idle + 1;
            last = time;
            if (time - began > mostSeconds || idle > mostIdle || child!.HasExited || Held() > MostBytes)
                break;
        }
        Stop();
        return null;
    }

    private double Time() => child!.HasExited ? 0 : child.TotalProcessorTime.TotalSeconds;

    private long Held()
    {
        child!.Refresh();
        return child.HasExited ? 0 : child.WorkingSet64;
    }
}
