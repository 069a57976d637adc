using System.Diagnostics;
using System.Globalization;

using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>A process that is killed at any step of a save leaves all old files or all new ones, and everybody else's.</summary>
public sealed class AtomicFolderKillTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        FolderCommit.Watcher = null;
        folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_kill_at_any_step_leaves_all_old_or_all_new_files_and_the_users_own(bool isThere)
    {
        var steps = Steps(isThere);
        Assert.Equal(isThere ? 11 : 3, steps.Count);
        for (var step = 0; step < steps.Count; step++)
        {
            var path = Prepare($"kill-{step}", isThere);
            Assert.Equal(137, OwnProcess.Run(KillAtStep, path, $"{step}").Status);
            var found = isThere || Directory.Exists(path) ? AtomicFolder.Read(path, Contents) : [];
            Assert.Contains(found, isThere ? [Old, New] : new[] { [], New });
            CheckOthers(path, isThere);
            Save(path, "again");
            Assert.Equal(["a=again", "b=again", "c/d=again"], Contents(path));
            CheckOthers(path, isThere);
            Assert.Equal([Path.GetFileName(path)], folder.Names);
            Directory.Delete(path, recursive: true);
        }
    }

    [Fact]
    public void A_kill_while_a_reader_recovers_is_recovered_by_the_next_one()
    {
        for (var step = 0; step < 6; step++)
        {
            var path = Prepare($"kill-{step}", isThere: true);
            Assert.Equal(137, OwnProcess.Run(KillAtStep, path, "2").Status); // the files are complete
            Assert.Equal(137, OwnProcess.Run(KillWhileRecovering, path, $"{step}").Status);
            Assert.Equal(New, AtomicFolder.Read(path, Contents));
            CheckOthers(path, isThere: true);
            Directory.Delete(path, recursive: true);
        }
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Thirty_kills_at_random_moments_leave_a_whole_model_and_the_users_own_files()
    {
        var path = Prepare("model", isThere: true);
        File.Delete(Path.Combine(path, "a"));
        using (var model = Model(0))
            model.Save(path);
        for (var kill = 0; kill < 30; kill++)
        {
            using var child = OwnProcess.Start(SaveForEver, path);
            Assert.Equal("saving", child.StandardOutput.ReadLine());
            Thread.Sleep(17 * kill);
            child.Kill();
            child.WaitForExit();
            using var loaded = LanguageModel.Load(path);
            using var first = loaded.parameters().First().min();
            Assert.All(loaded.parameters(), parameter =>
            {
                using var least = parameter.min();
                Assert.Equal(TorchSharp.TensorExtensionMethods.ToDouble(first), TorchSharp.TensorExtensionMethods.ToDouble(least));
            });
            CheckOthers(path, isThere: true);
        }
    }

    private static string[] Old => ["a=old", "b=old"];

    private static string[] New => ["a=new", "b=new", "c/d=new"];

    private static void KillAtStep(string[] arguments)
    {
        Kill(int.Parse(arguments[1], CultureInfo.InvariantCulture));
        Save(arguments[0], "new");
    }

    private static void KillWhileRecovering(string[] arguments)
    {
        Kill(int.Parse(arguments[1], CultureInfo.InvariantCulture));
        AtomicFolder.Recover(arguments[0]);
    }

    private static void Kill(int step) => FolderCommit.Watcher = _ =>
    {
        if (step-- > 0)
            return;
        using var own = Process.GetCurrentProcess();
        own.Kill();
        Thread.Sleep(Timeout.Infinite);
    };

    // Every parameter of a save holds one number, another one each time.
    private static void SaveForEver(string[] arguments)
    {
        using var model = Model(0);
        model.Save(arguments[0]);
        Console.WriteLine("saving");
        for (var round = 1; ; round++)
        {
            using (TorchSharp.torch.no_grad())
            {
                foreach (var parameter in model.parameters())
                    _ = parameter.fill_(round);
            }
            model.Save(arguments[0]);
        }
    }

    private static LanguageModel Model(double value)
    {
        var model = new LanguageModelBuilder { VocabSize = 512, ModelDim = 64, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var frozen = TorchSharp.torch.no_grad();
        foreach (var parameter in model.parameters())
            _ = parameter.fill_(value);
        return model;
    }

    private static void Save(string path, string text) => AtomicFolder.Write(path, target =>
    {
        File.WriteAllText(Path.Combine(target, "a"), text);
        File.WriteAllText(Path.Combine(target, "b"), text);
        if (text == "old")
            return;
        Directory.CreateDirectory(Path.Combine(target, "c"));
        File.WriteAllText(Path.Combine(target, "c", "d"), text);
    });

    private static string[] Contents(string path) => [.. new[] { "a", "b", "c/d" }
        .Where(name => File.Exists(Path.Combine(path, name)))
        .Select(name => $"{name}={File.ReadAllText(Path.Combine(path, name))}")];

    private string Prepare(string name, bool isThere)
    {
        var path = folder[name];
        if (!isThere)
            return path;
        Save(path, "old");
        Directory.CreateDirectory(Path.Combine(path, "c", "mine"));
        File.WriteAllText(Path.Combine(path, "README.md"), "mine");
        File.WriteAllText(Path.Combine(path, "c", "mine", "x"), "mine");
        return path;
    }

    private static void CheckOthers(string path, bool isThere)
    {
        if (!isThere)
            return;
        Assert.Equal("mine", File.ReadAllText(Path.Combine(path, "README.md")));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(path, "c", "mine", "x")));
    }

    private List<string> Steps(bool isThere)
    {
        var path = Prepare("count", isThere);
        var steps = new List<string>();
        FolderCommit.Watcher = steps.Add;
        Save(path, "new");
        FolderCommit.Watcher = null;
        Directory.Delete(path, recursive: true);
        return steps;
    }
}
