using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

public abstract partial class GoldenSuite
{
    private const int Sample = 3;

    /// <summary>What no check can notice when it changes, as <c>kind: name</c> with its reason; a name may begin or end with a star. Names are those of
    /// tensors, of a folder case's files, and <c>option of FILE</c> for the options of one.</summary>
    protected virtual IReadOnlyDictionary<string, string> Unnoticed { get; } = new Dictionary<string, string>();

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenKinds]
    public void A_dummy_of_a_kind_fails(string kind)
    {
        using var folder = new GoldenFolder(Area);
        var file = Checked().First(name => KindOf(name) == kind);
        var original = GoldenSource.Repository.PathOf(Area, file);
        if (file.EndsWith(".json", StringComparison.Ordinal))
        {
            foreach (var content in new[] { "[]", "{}", "[{}]", "[{\"unread\": 1}]" })
            {
                File.WriteAllText(folder[file], content);
                Fails(folder, file, $"a file of {content}");
            }
            return;
        }
        if (Directory.Exists(original))
        {
            _ = Directory.CreateDirectory(folder[file]);
            Fails(folder, file, "an empty folder");
            foreach (var inside in Directory.EnumerateFiles(original, "*.safetensors", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(original, path)).Where(inside => !new TensorList(Unnoticed).Has(kind, inside.Replace(Path.DirectorySeparatorChar, '/'))))
            {
                GoldenSurgery.Copy(original, folder[file]);
                Dummy(Path.Combine(original, inside), Path.Combine(folder[file], inside), inside);
            }
            return;
        }
        Dummy(original, folder[file], file);

        void Dummy(string from, string to, string what)
        {
            GoldenSurgery.Rewrite(from, to, (tensors, options) => Clear(tensors, options).Add("irrelevant", ones(2)));
            Fails(folder, file, $"{what} with one irrelevant tensor");
            GoldenSurgery.Rewrite(from, to, (tensors, options) => _ = Clear(tensors, options));
            Fails(folder, file, $"{what} without tensors");
            GoldenSurgery.Rewrite(from, to, (tensors, _) => Clear(tensors).Add("irrelevant", ones(2)));
            Fails(folder, file, $"{what} with its options and one irrelevant tensor");
            GoldenSurgery.Rewrite(from, to, (tensors, _) => Replace(tensors, tensor => zeros([.. tensor.shape.Select(_ => 0L)], tensor.dtype)));
            Fails(folder, file, $"{what} with empty tensors");
            GoldenSurgery.Rewrite(from, to, (tensors, _) => Replace(tensors, tensor => zeros_like(tensor)));
            Fails(folder, file, $"{what} with zeros for every value");
        }

        static Dictionary<string, Tensor> Clear(Dictionary<string, Tensor> tensors, Dictionary<string, string>? options = null)
        {
            options?.Clear();
            tensors.Clear();
            return tensors;
        }
    }

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenFiles]
    public void An_unread_tensor_and_an_unread_option_fail(string name)
    {
        using var folder = new GoldenFolder(Area);
        var message = FailsOnCopy(folder, name, name, (tensors, options) =>
        {
            tensors["unread"] = ones(1);
            options["unread_option"] = "1";
        });
        Assert.Contains("unread", message, StringComparison.Ordinal);
        if (message.Contains("unread tensor unread", StringComparison.Ordinal))
        {
            Assert.Contains("unread option unread_option", message, StringComparison.Ordinal);
            return;
        }
        // Where all tensors of some kind of name are weights, the product's loader refuses one more by its name.
        Assert.Contains("unread", message.Replace("unread_option", string.Empty, StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("unread option unread_option", FailsOnCopy(folder, name, name, (_, options) => options["unread_option"] = "1"), StringComparison.Ordinal);
    }

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenFiles]
    public void A_changed_value_fails(string name) => ChangedValuesFail(name, Sample);

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenFiles]
    [Trait("Category", "Long")]
    public void Every_changed_value_fails(string name) => ChangedValuesFail(name, int.MaxValue);

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenFolders]
    public void A_folder_with_more_or_changed_content_fails(string name) => ChangedFolderFails(name, Sample);

    [GoldenTheory]
    [MayLeakTensors]
    [GoldenFolders(All = true)]
    [Trait("Category", "Long")]
    public void A_folder_with_more_or_any_changed_tensor_fails(string name) => ChangedFolderFails(name, int.MaxValue);

    /// <summary>Names of the area's files in the repository that have a check.</summary>
    internal IEnumerable<string> Checked() => GoldenSource.Repository.Cases(Area).Where(name => name != GoldenSource.NoData && KindOf(name) is { } kind && Checks.ContainsKey(kind));

    private static void Replace(Dictionary<string, Tensor> tensors, Func<Tensor, Tensor> change)
    {
        foreach (var (name, tensor) in tensors.ToList())
            tensors[name] = change(tensor);
    }

    private void ChangedFolderFails(string name, int count)
    {
        using var folder = new GoldenFolder(Area);
        var original = GoldenSource.Repository.PathOf(Area, name);
        GoldenSurgery.Copy(original, folder[name]);
        File.WriteAllText(Path.Combine(folder[name], "unread.txt"), "unread");
        Assert.Contains("unread.txt", Fails(folder, name, "a file more"), StringComparison.Ordinal);
        File.Delete(Path.Combine(folder[name], "unread.txt"));
        var unnoticed = new TensorList(Unnoticed);
        foreach (var inside in Directory.EnumerateFiles(original, "*.safetensors", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(original, path)).Order(StringComparer.Ordinal))
        {
            var (from, to, file) = (Path.Combine(original, inside), Path.Combine(folder[name], inside), inside.Replace(Path.DirectorySeparatorChar, '/'));
            if (unnoticed.Has(KindOf(name), file))
                continue;
            GoldenSurgery.Rewrite(from, to, (tensors, _) => tensors["unread"] = ones(1));
            Assert.Contains("unread", Fails(folder, name, $"{file} with a tensor more"), StringComparison.Ordinal);
            if (!unnoticed.Has(KindOf(name), $"option of {file}"))
            {
                GoldenSurgery.Rewrite(from, to, (_, options) => options["unread_option"] = "1");
                Assert.Contains("unread_option", Fails(folder, name, $"{file} with an option more"), StringComparison.Ordinal);
            }
            ChangedValuesFail(folder, name, from, to, count);
            File.Copy(from, to, overwrite: true);
        }
        Assert.True(Passes(folder, name), $"{name}: an unchanged copy of it fails.");
    }

    private void ChangedValuesFail(string name, int count)
    {
        using var folder = new GoldenFolder(Area);
        ChangedValuesFail(folder, name, GoldenSource.Repository.PathOf(Area, name), folder[name], count);
    }

    private void ChangedValuesFail(GoldenFolder folder, string name, string from, string to, int count)
    {
        var (names, unnoticed) = (new List<string>(), new TensorList(Unnoticed));
        using (var reader = new SafetensorsReader(from))
            names.AddRange(reader.Entries.Where(entry => entry.Shape.Aggregate(1L, (size, next) => size * next) > 0 && !unnoticed.Has(KindOf(name), entry.Name) && !IsMissing(KindOf(name)!, entry.Name)).Select(entry => entry.Name));
        // The same sample in every run: every so many names.
        var step = Math.Max(1, names.Count / count);
        var passed = new List<string>();
        foreach (var tensor in names.Where((_, index) => (index + 1) % step == 0).Take(count))
        {
            GoldenSurgery.Rewrite(from, to, (tensors, _) => tensors[tensor] = GoldenSurgery.ChangeOne(tensors[tensor]));
            if (!Passes(folder, name))
                continue;
            GoldenSurgery.Rewrite(from, to, (tensors, _) => tensors[tensor] = GoldenSurgery.ChangeAll(tensors[tensor]));
            if (Passes(folder, name))
                passed.Add(tensor);
        }
        Assert.True(passed.Count == 0, $"{name}: its check passes although {string.Join(", ", passed)} changed. Compare it, or list it in {nameof(Unnoticed)} with the reason.");
    }

    private bool Passes(GoldenFolder folder, string name) => Record.Exception(() => folder.Source.Run(Area, name, Checks, _ => { }, IsMissing)) is null;

    private string FailsOnCopy(GoldenFolder folder, string name, string what, Action<Dictionary<string, Tensor>, Dictionary<string, string>> change)
    {
        GoldenSurgery.Rewrite(GoldenSource.Repository.PathOf(Area, name), folder[name], change);
        return Fails(folder, name, what);
    }

    private string Fails(GoldenFolder folder, string name, string what)
    {
        var error = Record.Exception(() => folder.Source.Run(Area, name, Checks, _ => { }, IsMissing));
        Assert.True(error is not null, $"{what}: its check passes.");
        output.WriteLine($"{what}: {error!.Message.Split('\n')[0]}");
        return error.Message;
    }
}
